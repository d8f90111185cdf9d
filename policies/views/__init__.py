"""Mail Policies in the browser (seg-webui 3), a module for each page."""
