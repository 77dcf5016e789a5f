"""Recorded episodes on disk: LeRobotDataset v3 in and out, statistics, normalisation, training windows.

Import what you need from its file: `embodied.data.dataset.Dataset`, `embodied.data.recorder.Recorder`,
`embodied.data.record.record`, `embodied.data.windows.Windows`, `embodied.data.normalise.Normalisation`.
"""
