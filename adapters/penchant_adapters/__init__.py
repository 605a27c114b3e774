"""What keeps the core's ports: encoders and stores. An adapter is chosen by the scheme of its URL."""
