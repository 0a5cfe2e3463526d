"""depdoctor: find the dependency conflicts of many ML projects, and give each one an image of its own."""

__version__ = "0.1.0"
