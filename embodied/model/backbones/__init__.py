"""One backbone a file: the language model that reads the sentence.

A part of this group has `fitted(config)` (the sizes that it dictates), `words(corpus, placeholders)` (its vocabulary) and
`module(config, words)`; the module has

    embed(ids (...)) -> (..., D)                    rows of the table, those that we added among them
    logits(hidden (..., D), ids=None)               over the vocabulary, or over these ids
    hidden(embeds (b, n, D), segment (b, n))        last hidden states of packed sentences (embodied/model/network.py)
    reader()                                        the same token by token, with a cache (embodied/model/reader.py)
    checkpoint()                                    compute layers again on the way back, in place of remembering
    table, base, rms                                the rows that we may start ourselves, the id of the first, their size
"""
