"""Makes the reference features of the spec of the audio front end: two short signals and their 123 values a frame.

    pip install kaldi-native-fbank python_speech_features numpy
    python3 spec/lua/data/speech/reference.py

kaldi-native-fbank has the 40 log filterbank energies and the energy, python_speech_features the differences.
"""
import os

import kaldi_native_fbank as knf
import numpy as np
from python_speech_features import delta

folder = os.path.dirname(os.path.abspath(__file__))


def signal(rate, seed):
    """Tones that glide, noise that swells, and a stretch of silence."""
    n = int(0.2 * rate)
    t = np.arange(n) / rate
    noise = np.random.default_rng(seed).normal(size=n)
    x = 0.3 * np.sin(2 * np.pi * (200 + 2000 * t) * t) + 0.2 * np.sin(2 * np.pi * 0.3 * rate * t)
    x = (x + 0.3 * t / t[-1] * noise) * np.where((t > 0.09) & (t < 0.13), 0, 1)
    return np.clip(x, -1, 1).astype(np.float32)


def filterbank(x, rate):
    o = knf.FbankOptions()
    f = o.frame_opts
    f.samp_freq, f.frame_length_ms, f.frame_shift_ms, f.dither = rate, 25, 10, 0
    f.preemph_coeff, f.remove_dc_offset, f.window_type, f.snip_edges = 0.97, False, "hamming", True
    o.mel_opts.num_bins, o.mel_opts.low_freq, o.mel_opts.high_freq = 40, 64, 0
    o.use_energy, o.raw_energy, o.energy_floor, o.htk_compat = True, True, 0, True
    computer = knf.OnlineFbank(o)
    computer.accept_waveform(rate, x.tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])


for rate in (8000, 16000):
    x = signal(rate, rate)
    first = filterbank(x, rate)
    second = delta(first, 2)
    features = np.concatenate([first, second, delta(second, 2)], axis=1).astype(np.float32)
    np.save(os.path.join(folder, f"signal-{rate}.npy"), x)
    np.save(os.path.join(folder, f"features-{rate}.npy"), features)
    print(rate, x.shape, features.shape)
