"""The figures of Harutyunyan et al., "Estimating informativeness of samples with Smooth Unique Information" (ICLR 2021,
arXiv 2101.06640, section 6), made again with this package: one file for each, and what they share."""
