"""The connector in the browser, a module for each page."""
