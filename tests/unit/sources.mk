# The sources, beside lib.a, that a unit test links, and the libraries beside UNIT_LIBS: what it tests.
