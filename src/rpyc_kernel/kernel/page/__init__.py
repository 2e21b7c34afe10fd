"""What the page is told that shows a notebook: how it is connected. It may ask for sessions and hosts."""
