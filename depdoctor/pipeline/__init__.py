"""What each command does: picks adapters, calls stages in order. Only this package knows the order.

`inspecting` looks into wheels and images; `scanning` finds, reads, locks and diagnoses; `planning` cuts images and
layers; `delivery` generates, builds, pushes and verifies. A file knows only those before it.
"""
