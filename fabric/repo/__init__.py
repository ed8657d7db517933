"""The engine: datasets, views, transactions and history over the two ports (docs/architecture.md)."""
