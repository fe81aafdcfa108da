// SPDX-License-Identifier: Apache-2.0
#pragma once
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
