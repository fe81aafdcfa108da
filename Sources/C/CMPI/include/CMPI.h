// SPDX-License-Identifier: Apache-2.0
// The few calls of MPI that a rank makes, in plain C types: MPI's handles are macros that Swift cannot import.
// Every function that returns `int` returns 0 or an MPI error code. Only the main thread may call.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// An MPI_Request.
typedef struct { uint64_t bits; } weft_mpi_request;
/// An MPI_Message, and what is known of it.
typedef struct { uint64_t bits; int source; int64_t size; } weft_mpi_message;

/// MPI_Init_thread with MPI_THREAD_FUNNELED; from then on errors are returned.
int weft_mpi_init(void);
int weft_mpi_rank(void);
int weft_mpi_size(void);

/// What a message is: a message of the stream, or a part of a buffer that the last one named.
typedef enum { WEFT_MPI_MESSAGE = 1, WEFT_MPI_PART } weft_mpi_tag;

/// Begins to send; `bytes` must stay as they are until the request has completed. `size` is at most INT_MAX.
int weft_mpi_isend(const void *bytes, size_t size, int rank, weft_mpi_tag tag, weft_mpi_request *request);
/// Begins to receive exactly `size` bytes, at most INT_MAX.
int weft_mpi_irecv(void *bytes, size_t size, int rank, weft_mpi_tag tag, weft_mpi_request *request);
/// `all` receives every rank's number.
int weft_mpi_allgather(uint64_t own, uint64_t *all);
int weft_mpi_test(weft_mpi_request *request, int *completed);
/// Takes the next message of the stream that has arrived, from any rank.
int weft_mpi_improbe(int *found, weft_mpi_message *message);
/// Receives a message that `weft_mpi_improbe` found into `message->size` bytes.
int weft_mpi_mrecv(weft_mpi_message *message, void *bytes);
int weft_mpi_ibarrier(weft_mpi_request *request);
int weft_mpi_finalize(void);
/// Ends every rank of the job; `mpirun` exits with the code.
_Noreturn void weft_mpi_abort(int code);

enum { WEFT_MPI_TEXT = 512 };
/// Writes a sentence, ended by 0, into WEFT_MPI_TEXT bytes.
void weft_mpi_error_text(int error, char *text);
