"""getResolvedOptions and its corners."""

import pytest

from awsglue.utils import GlueArgumentError, getResolvedOptions

ARGV = ["script.py", "--JOB_NAME", "j", "--in-path", "s3://b/x", "--other", "1"]


def test_reads_what_is_asked_for():
    found = getResolvedOptions(ARGV, ["JOB_NAME", "in-path"])
    assert found["JOB_NAME"] == "j"
    assert found["in_path"] == "s3://b/x"
    assert "other" not in found


def test_glue_arguments_are_always_there():
    found = getResolvedOptions(["s"], [])
    assert found["job_bookmark_option"] == "job-bookmark-disable"
    assert found["TempDir"] == found["RedshiftTempDir"]


@pytest.mark.parametrize("given", ["--TempDir", "--RedshiftTempDir"])
def test_temp_dirs_mirror(given):
    found = getResolvedOptions(["s", given, "s3://t/"], [])
    assert found["TempDir"] == found["RedshiftTempDir"] == "s3://t/"


def test_temp_dir_asked_for():
    assert getResolvedOptions(["s", "--TempDir", "s3://t"], ["TempDir"])["TempDir"] == "s3://t"


@pytest.mark.parametrize("argv,name", [(["s"], "a"), (["s", "--a"], "a"), (["s", "a", "b"], "a"),
                                       (["s", "--A", "1"], "a")])
def test_missing(argv, name):
    with pytest.raises(GlueArgumentError):
        getResolvedOptions(argv, [name])


@pytest.mark.parametrize("name", ["job-bookmark-option", "job_bookmark_from", "JOB_ID", "JOB_RUN_ID",
                                  "SECURITY_CONFIGURATION", "continuation-option", "encryption-type",
                                  "enable-data-lineage", "job-bookmark-to"])
def test_reserved(name):
    with pytest.raises(GlueArgumentError, match="reserved"):
        getResolvedOptions(["s", "--" + name, "x"], [name])


def test_abbreviations():
    argv = ["s", "--input_pa", "x"]
    with pytest.raises(GlueArgumentError):
        getResolvedOptions(argv, ["input_path"])
    assert getResolvedOptions(argv, ["input_path"], allow_abbrev=True)["input_path"] == "x"


def test_values():
    argv = ["s", "--a=1=2", "--b", "", "--c", "x y --z", "--d", "-5", "--é", "ü"]
    found = getResolvedOptions(argv, ["a", "b", "c", "d", "é"])
    assert (found["a"], found["b"], found["c"], found["d"], found["é"]) == ("1=2", "", "x y --z", "-5", "ü")


def test_last_one_wins_and_names_repeat():
    assert getResolvedOptions(["s", "--a", "1", "--a", "2"], ["a", "a"])["a"] == "2"


def test_a_name_that_begins_another():
    found = getResolvedOptions(["s", "--path_out", "o", "--path", "i"], ["path", "path_out"])
    assert (found["path"], found["path_out"]) == ("i", "o")


def test_bookmark_option():
    found = getResolvedOptions(["s", "--job-bookmark-option", "job-bookmark-enable"], [])
    assert found["job_bookmark_option"] == "job-bookmark-enable"
    with pytest.raises(GlueArgumentError):
        getResolvedOptions(["s", "--job-bookmark-option", "sometimes"], [])


PAUSE = ["s", "--job-bookmark-option", "job-bookmark-pause"]


@pytest.mark.parametrize("argv", [PAUSE + ["--job-bookmark-from", "1"],
                                  PAUSE + ["--job-bookmark-to", "1"],
                                  ["s", "--job-bookmark-from", "1", "--job-bookmark-to", "2"],
                                  ["s", "--job-bookmark-to", "2"]])
def test_bookmark_range_refused(argv):
    with pytest.raises(GlueArgumentError, match="job-bookmark"):
        getResolvedOptions(argv, [])


def test_bookmark_range():
    found = getResolvedOptions(PAUSE + ["--job-bookmark-from", "1", "--job-bookmark-to", "2"], [])
    assert (found["job_bookmark_from"], found["job_bookmark_to"]) == ("1", "2")
    assert "job_bookmark_from" not in getResolvedOptions(PAUSE, [])


def test_ids_are_passed_on():
    found = getResolvedOptions(["s", "--JOB_RUN_ID", "jr_1", "--JOB_NAME", "n"], ["JOB_NAME"])
    assert found["JOB_RUN_ID"] == "jr_1"
