"""One server, a page and an API, on the same library; it needs the extra `[serve]`."""
