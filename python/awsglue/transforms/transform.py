"""What all transforms share."""

__all__ = ["GlueTransform"]


class GlueTransform:
    """A transform is called as Name.apply(…) or Name()(…)."""

    @classmethod
    def apply(cls, *args, **kwargs):
        return cls()(*args, **kwargs)

    @classmethod
    def name(cls):
        return cls.__name__
