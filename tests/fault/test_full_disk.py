"""A store on a disk of 16 MB that fills up: what was answered stays, what cannot be kept is refused as AWS refuses when
it is unwell, reads go on, and room made is room used."""
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("tmpfs cannot be mounted here: " + done.stderr.strip())
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def table(i):
    return {"Name": f"t{i:05}", "Description": f"{i:05}" * 400,
            "StorageDescriptor": {"Columns": [{"Name": f"c{k}", "Type": "string", "Comment": "x" * 200} for k in range(40)]}}


def test_a_full_disk(new_server, small_disk):
    server = new_server(lake=False, data=small_disk / "data")
    glue = server.client("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    kept, refused = [], None
    for i in range(4000):
        try:
            glue.create_table(DatabaseName="d", TableInput=table(i))
            kept.append(i)
        except ClientError as error:
            refused = error
            break
    assert refused is not None and len(kept) > 100
    code, status = refused.response["Error"]["Code"], refused.response["ResponseMetadata"]["HTTPStatusCode"]
    assert code == "InternalServiceException" and status == 500, refused
    assert "disk" in refused.response["Error"]["Message"].lower() or "full" in refused.response["Error"]["Message"].lower()
    # reads go on, and the state is that of the last answer
    names = [t["Name"] for t in glue.get_paginator("get_tables").paginate(DatabaseName="d").build_full_result()["TableList"]]
    assert names == [f"t{i:05}" for i in kept]
    # killed, and started again with room, it still knows all of it and takes more
    server.kill()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    server.start()
    glue = server.client("glue")
    names = [t["Name"] for t in glue.get_paginator("get_tables").paginate(DatabaseName="d").build_full_result()["TableList"]]
    assert names == [f"t{i:05}" for i in kept]
    glue.create_table(DatabaseName="d", TableInput=table(9999))
    assert glue.get_table(DatabaseName="d", Name="t09999")["Table"]["Description"] == "09999" * 400
