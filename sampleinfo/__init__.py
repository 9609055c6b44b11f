"""How much unique information every image of a data set gives to the training of a pre-trained ResNet.

Method: Harutyunyan et al., "Estimating informativeness of samples with Smooth Unique Information", ICLR 2021.
"""

__version__ = "0.1.0"
