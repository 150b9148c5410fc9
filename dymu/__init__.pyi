from dymu.run.loading import load as load

__version__: str
