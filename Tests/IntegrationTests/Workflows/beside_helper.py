# SPDX-License-Identifier: Apache-2.0
def square(number):
    return number * number
