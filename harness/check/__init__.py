"""Judges programs that speak no protocol, by what they print or write: `conform check` and `conform start`.

    log.py       a printed log: steps, losses and samples, in any of the forms that are in circulation
    tracefile.py named quantities: text, JSON Lines, .npz, .safetensors
    names.py     the names and shapes of all quantities
    setup.py     which run it is compared with: preset, dataset, seed, overrides
    goldens.py   the numbers of that run, stored or computed by the fastest port at hand
    compare.py   agreement in digits, in bits or within measured bounds, and the first divergence
    chances.py   programs with random numbers of their own: what right ones do, and how often
    verdict.py   all of that put together into one answer
"""
