"""Batches and responses: shapes, padding, bytes, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.workloads import load, load_class
from loadfleet.workloads.bert import Bert
from loadfleet.workloads.bert.dataset import INPUTS, OUTPUTS


def outputs_for(indices, width):
    shape = (len(indices), width)
    return {name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + n for n, name in enumerate(OUTPUTS)}


def test_a_batch_is_as_wide_as_its_longest_sample(dataset):
    indices = np.array([3, 0, 3, dataset.count - 1])
    batch = dataset.batch(indices)
    assert tuple(batch) == INPUTS
    for array in batch.values():
        assert array.shape == (4, dataset.lengths[indices].max())
        assert array.dtype == np.int64
        assert array.flags.c_contiguous


def test_rows_hold_the_sample_and_zeros(dataset):
    indices = np.arange(dataset.count)
    batch = dataset.batch(indices)
    for row, sample in enumerate(indices):
        length, start = dataset.lengths[sample], dataset.document_start[sample]
        stored = dataset.input_ids[dataset.offsets[sample] : dataset.offsets[sample + 1]]
        assert batch["input_ids"][row, :length].tolist() == stored.tolist()
        assert not batch["input_ids"][row, length:].any()
        assert batch["input_mask"][row].sum() == length
        assert batch["segment_ids"][row].nonzero()[0].tolist() == list(range(start, length))


def test_a_fixed_width_pads_and_never_cuts(dataset):
    shortest = np.array([int(dataset.lengths.argmin())])
    assert dataset.batch(shortest, 384)["input_ids"].shape == (1, 384)
    assert dataset.batch(shortest, 512)["input_mask"].sum() == dataset.lengths.min()
    with pytest.raises(InputError, match="the model takes 16"):
        dataset.batch(shortest, 16)


@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_a_sample_that_does_not_exist_is_refused(dataset, wrong):
    with pytest.raises(InputError, match=f"sample {wrong} does not exist"):
        dataset.batch(np.array([0, wrong]))


def test_a_response_row_is_start_and_end_per_position_and_padding(dataset):
    indices = np.array([5, 1])
    width = int(dataset.lengths[indices].max())
    outputs = outputs_for(indices, width)
    response = dataset.respond(indices, outputs)
    assert response.shape == (2, 384, 2)
    assert response.dtype == np.float32
    assert response.flags.c_contiguous
    for row, sample in enumerate(indices):
        length = dataset.lengths[sample]
        logged = np.frombuffer(response[row].tobytes(), np.float32).reshape(384, 2)
        for channel, name in enumerate(OUTPUTS):
            assert logged[:length, channel].tolist() == outputs[name][row, :length].tolist()
        assert (logged[length:] == -10000.0).all()


def test_a_response_from_a_wider_model_is_the_same(dataset):
    indices = np.array([2])
    wide = outputs_for(indices, 512)
    narrow = {name: array[:, : dataset.lengths[2]] for name, array in wide.items()}
    assert (dataset.respond(indices, wide) == dataset.respond(indices, narrow)).all()


def test_a_response_of_half_precision_is_widened(dataset):
    indices = np.array([0])
    outputs = {name: array.astype(np.float16) for name, array in outputs_for(indices, 384).items()}
    assert dataset.respond(indices, outputs).dtype == np.float32


def test_a_missing_or_misshapen_output_is_refused(dataset):
    indices = np.array([0, 1])
    good = outputs_for(indices, 384)
    with pytest.raises(BadResultError, match="output_end_logits is missing"):
        dataset.respond(indices, {OUTPUTS[0]: good[OUTPUTS[0]]})
    for cut in (good[OUTPUTS[1]][:1], good[OUTPUTS[1]][:, :5], good[OUTPUTS[1]][0]):
        with pytest.raises(BadResultError, match="has shape"):
            dataset.respond(indices, {**good, OUTPUTS[1]: cut})


def test_opening_an_unprepared_folder_says_so(tmp_path):
    with pytest.raises(NotReadyError, match=r"recipe\.json cannot be read"):
        Bert().open(tmp_path)


def test_opening_another_recipe_says_which(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "old")
    recipe = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**recipe, "version": 0}))
    with pytest.raises(NotReadyError, match="prepared by recipe 0"):
        Bert().open(folder)


def test_opening_a_truncated_array_says_which(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "cut")
    array = folder / "input_ids.npy"
    array.write_bytes(array.read_bytes()[:-1000])
    with pytest.raises(NotReadyError, match=r"input_ids\.npy cannot be mapped"):
        Bert().open(folder)
    np.save(array, np.zeros(3, np.int32))
    with pytest.raises(NotReadyError, match="has shape"):
        Bert().open(folder)


def test_the_catalogue_names_the_workload():
    assert isinstance(load("bert"), Bert)


@pytest.mark.parametrize(
    "target", ["", "loadfleet.workloads.bert", "loadfleet.nothing:X", "loadfleet.errors:InputError"]
)
def test_an_implementation_that_is_no_workload_is_refused(target):
    with pytest.raises(InputError, match="somebody: implementation"):
        load_class(target, origin="somebody")
