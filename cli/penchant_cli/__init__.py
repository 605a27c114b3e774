"""The command line: one command starts the service, others import, ask, watch and measure."""
