"""What the fabric costs, measured side by side with what else does the work (`make bench`).

run.py       the runner: machine facts, one process a question, results as JSON and as docs/benchmarks.md
kit.py       timing in interleaved rounds, files to work on, peers, the fabric's command line
questions/   one module a question: `measure(bench)` yields results
*.py         closer looks at single parts, run by hand
"""
