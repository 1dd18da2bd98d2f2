\ Makes a dictionary for each program.

include lists.fth
include exact.fth
include protocol.fth
include model.fth
include run.fth
include main.fth

c" serve.dic" ' serve-program turnkey
c" seed.dic" ' seed-program turnkey
c" classic.dic" ' classic-program turnkey
