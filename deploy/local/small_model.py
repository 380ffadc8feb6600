"""Serves a GGUF file by llama.cpp's server: small_model.py FILE PORT."""

import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.hostname = "127.0.0.1"
parameters.port = int(sys.argv[2])
# As much as the model was trained for: instructions, tools and articles are some 2,000 tokens.
parameters.n_ctx = 8192
parameters.n_parallel = 1
# The chat template of the model's file, and calls of tools.
parameters.use_jinja = True
server = xllamacpp.Server(parameters)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    signal.pause()
except KeyboardInterrupt:
    pass
