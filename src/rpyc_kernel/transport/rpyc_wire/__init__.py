"""RPyC's protocol from the client's side, read within bounds: nothing of this process can be reached by it."""
