"""What tests of the fabric, and of adapters written elsewhere, share.

    objects.py    the conformance suite of the object store port: subclass it, give it a `store` fixture
    faults.py     a store that fails, delays, loses answers, truncates, alters or kills, by plan
    servers.py    a real S3 server (MinIO) and moto, started and stopped by the tests themselves
    stub.py       a server that answers what it is told, however wrong

Nothing in the library imports this package; it needs pytest and, for the servers, the development dependencies.
"""
