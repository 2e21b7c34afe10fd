"""Run in a session: has its worker's answers about files be lies."""

import sys


def lie(text):
    op, _, change = text.partition(": ")
    (module,) = [module for name, module in list(sys.modules.items()) if name.endswith(".worker.direct")] or [None]
    if module is None:
        package = next(name for name in sys.modules if name.endswith(".worker.main")).rpartition(".")[0]
        __import__(package + ".direct")
        module = sys.modules[package + ".direct"]
    package = module.__name__.rpartition(".")[0]
    __import__(package + ".files")
    files = sys.modules[package + ".files"].Files
    do = files.do

    def lying(self, name, header, buffers):
        answer, told = do(self, name, header, buffers)
        told = [bytes(each) for each in told]
        if name == op:
            exec(change, {"answer": answer, "buffers": told, "header": header})
        return answer, told

    files.do = lying
