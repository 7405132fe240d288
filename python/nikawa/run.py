"""`nikawa run`: a script in this process, as a worker would run it. The environment says where the server is."""

import os
import sys

from nikawa import worker


class _Nobody:
    """Stands in for the server, whom a worker would tell how it goes."""

    def sendall(self, data):
        pass


def main():
    path = os.path.abspath(sys.argv[1])
    request = {"path": path, "argv": [path, *sys.argv[2:]], "run_id": "", "settings": {},
               "job": os.path.basename(path)}
    code = worker.run_script(_Nobody(), request)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)


if __name__ == "__main__":
    main()
