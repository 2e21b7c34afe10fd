"""Uses calculator_service.py, wherever that runs:

python calculator.py localhost:18861        at that port
python calculator.py CALCULATOR             found by its name, if it is registered
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

calculator = rpyc_kernel.service(sys.argv[1])

print("2 + 3 =", calculator.add(2, 3))
print("digits:", calculator.digits)
print("total:", calculator.keep(4), calculator.keep(5))
print("squares of 1, 2, 3, taken here and added up there:", calculator.apply(lambda number: number**2, [1, 2, 3]))

try:
    calculator.divide(1, 0)
except ZeroDivisionError as error:
    print("there:", error)

try:
    calculator.forget()
except AttributeError:
    print("forget() is not exposed")
