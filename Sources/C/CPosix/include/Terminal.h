// SPDX-License-Identifier: Apache-2.0
#pragma once

/// A terminal that changes nothing of what is written to its second end, so that a program which writes there does so line by
/// line. The first end does not block; both are closed on exec. Returns 0 or an errno.
int weft_terminal(int ends[2]);
