"""The four services of the contract: each method checks, asks the core, and answers."""
