"""Tables without the model: a small portable program that makes them, the same bits on every machine.

The part of a model that tables follow from is translated once, when the engine is built, to some twenty operators over
arrays of fixed shapes, each defined to the bit. Two executors run the program: `run` in numpy, and `relink.hpp` in C++.

    program     slots, instructions and outputs, and their file `tables.bin`
    run         the executor in numpy
    strides     axes and strides
    assemble    makes programs: one method per operator
    graph       the same as a graph of ONNX
    translate   operators of ONNX as instructions
    kinds       inputs of calibration as instructions
    learn       which value of the program each table is, found by what it computes and proven
    memory      places of arena memory for the executor in C++
"""
