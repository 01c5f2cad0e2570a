"""Any source of pictures → prepared images on disk, with the status of every file."""
