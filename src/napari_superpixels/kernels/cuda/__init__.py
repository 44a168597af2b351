"""The clustering kernels in Triton, the same integers as those of the processor.

They know tensors as pointers and strides: whoever launches them (`models.on_cuda`) brings memory.
Modules here import triton, so nothing else imports them before a graphics card is to be used.
"""
