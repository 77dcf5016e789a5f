"""PaLM-E's task and motion planning tests on our table (arXiv 2303.03378, section 6.1 and appendix B.1): cubes of different
colour and size, some stacked, asked about in four ways and planned for in two. These are our scenes, not Google's.
"""
