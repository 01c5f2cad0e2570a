"""The studio: everything that Pippin does, on a page in the browser, served on this machine."""
