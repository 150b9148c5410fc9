from dymu.product.loading import load as load

__version__: str
