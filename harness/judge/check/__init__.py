"""Judges programs that speak no protocol, by what they print or write: `conform check` and `conform start`.

    log.py       a printed log: steps, losses and samples, in any of the forms that are in circulation
    tracefile.py named quantities: text, JSON Lines, .npz, .safetensors
    names.py     the names and shapes of all quantities
    setup.py     which run it is compared with: preset, dataset, seed, overrides
    goldens.py   the numbers of that run, stored or computed by the fastest port at hand
    engine.py    which port computes it
    agreement.py agreement in digits, in bits or within measured bounds
    statistics.py, chances.py   programs with random numbers of their own: what right ones do, and how often
    logs.py, traces.py   the verdict on either kind, as verdict.py has it
    start.py     where the reference begins, for programs that have no generator like Python's

What explains a divergence stands in harness/explain/mutants: printed.py and traced.py. `data/` is written by
store_goldens.py and by harness/measure/chances.
"""
