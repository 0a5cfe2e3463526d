"""Reports: values in, text out. A file per format."""
