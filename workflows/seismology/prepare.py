#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the waveforms of an earthquake at four stations of the Bavarian network from the installed ObsPy package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common import package_folder, place, prepare  # noqa: E402

WAVEFORMS = {
    "BW.UH1._.SHZ.D.2010.147.cut.slist.gz": "f9279567a548653ceaa3eee3a3f6daafb2da986f7776c47e9ba746f5e44b381c",
    "BW.UH2._.SHZ.D.2010.147.cut.slist.gz": "115f4fd2eb696bfe2663953746b3d7524248a57db08ad975c7394279490496ae",
    "BW.UH3._.SHE.D.2010.147.cut.slist.gz": "0168f48c4e1823cbf1651bc040b2b1694e3318c289daf0b1f36f17f7a81c6fab",
    "BW.UH3._.SHN.D.2010.147.cut.slist.gz": "01375b85b165bcd5e40d1fd001e941c8ea8d9271995afe5d4d5bb32b1f30ff8e",
    "BW.UH3._.SHZ.D.2010.147.cut.slist.gz": "96e5170ebf8af665e9722398795d9c6ce8e99888eb4e2c07bab7cda90d2a06d4",
    "BW.UH4._.EHZ.D.2010.147.cut.slist.gz": "11ef16f0b05d19418455f5493694fa27852c397fc6403b26c03b4346c6d5bc22",
}


def collect(folder):
    source = package_folder("obspy") / "signal" / "tests" / "data"
    return {"ReadWaveform": [{"input": place(source / name, folder, digest)} for name, digest in WAVEFORMS.items()]}


prepare("seismology", collect)
