"""The RPyC server of notebooks that name no machine: this machine's Python, for this user alone."""
