"""The names of Glue's data integration transforms. Importing one works; using it says that it is not there."""

from awsglue._missing import refuse

_CLASSES = ("FlagDuplicatesInColumn", "FormatPhoneNumber", "FormatCase", "FillWithMode",
            "FlagDuplicateRows", "RemoveDuplicates", "MonthName", "IsEven", "CryptographicHash", "Decrypt",
            "Encrypt", "IntToIp", "IpToInt")

__all__ = list(_CLASSES)


def _missing_class(name):
    return type(name, (), {
        "__doc__": "Not there yet.",
        "apply": classmethod(lambda cls, *args, **kwargs: refuse("awsgluedi.transforms.%s.apply" % name))})


for _name in _CLASSES:
    globals()[_name] = _missing_class(_name)
