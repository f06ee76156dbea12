"""What may a file be called that stands for a name of the user's, a category or a column?

File systems take names of 255 bytes, of which several such names, an extension and what a temporary file adds
must find room.
"""

from hashlib import blake2b
from urllib.parse import quote

MOST = 100  # bytes
SHOWN = 60  # of a longer name


def file_name(name: str) -> str:
    """A name as at most 100 bytes of ASCII that every file system takes, another one for every other name.

    Signs that are no letter, digit or one of `_.-~` stand as in addresses ("%20"). Where that is too long, as
    soon as a name has some dozen letters that are not Latin, its beginning and a hash of all stand for it.
    """
    quoted = quote(name, safe="")
    if len(quoted) <= MOST:
        return quoted
    return f"{quoted[:SHOWN]}~{blake2b(name.encode(), digest_size=16).hexdigest()}"
