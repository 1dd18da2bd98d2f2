"""What right programs do that draw random numbers of their own, and what wrong ones do: measured from
thousands of seeds, for `harness/judge/check/chances.py` to judge by.

    engine.c     a fast run, with a switch for each mistake     engine.py    compiles and calls it
    mistakes.py  which mistakes are measured                    simulate.py  many seeds, in parallel
    store.py     `python -m harness.measure.chances.store`: the files that judging uses
    bounds.py    `python -m harness.measure.chances.bounds`: how far a float32 or float64 program may be off

Needs a C compiler; judging does not.
"""
