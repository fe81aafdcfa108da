// SPDX-License-Identifier: Apache-2.0
#define OMPI_SKIP_MPICXX 1
#include "CMPI.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "an MPI_Request fits a weft_mpi_request");
_Static_assert(sizeof(MPI_Message) <= sizeof(uint64_t), "an MPI_Message fits a weft_mpi_message");
_Static_assert(WEFT_MPI_TEXT >= MPI_MAX_ERROR_STRING, "an MPI error string fits");

int weft_mpi_init(void) {
    int provided = 0;
    int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    return error ? error : MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

int weft_mpi_rank(void) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

int weft_mpi_size(void) {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
}

int weft_mpi_isend(const void *bytes, size_t size, int rank, weft_mpi_tag tag, weft_mpi_request *request) {
    MPI_Request handle;
    if (size > INT_MAX) return MPI_ERR_COUNT;
    int error = MPI_Isend(bytes, (int)size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &handle);
    memcpy(&request->bits, &handle, sizeof handle);
    return error;
}

int weft_mpi_irecv(void *bytes, size_t size, int rank, weft_mpi_tag tag, weft_mpi_request *request) {
    MPI_Request handle;
    if (size > INT_MAX) return MPI_ERR_COUNT;
    int error = MPI_Irecv(bytes, (int)size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &handle);
    memcpy(&request->bits, &handle, sizeof handle);
    return error;
}

int weft_mpi_allgather(uint64_t own, uint64_t *all) {
    return MPI_Allgather(&own, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, MPI_COMM_WORLD);
}

int weft_mpi_test(weft_mpi_request *request, int *completed) {
    MPI_Request handle;
    memcpy(&handle, &request->bits, sizeof handle);
    int error = MPI_Test(&handle, completed, MPI_STATUS_IGNORE);
    memcpy(&request->bits, &handle, sizeof handle);
    return error;
}

int weft_mpi_improbe(int *found, weft_mpi_message *message) {
    MPI_Message handle;
    MPI_Status status;
    int error = MPI_Improbe(MPI_ANY_SOURCE, WEFT_MPI_MESSAGE, MPI_COMM_WORLD, found, &handle, &status);
    if (error || !*found) return error;
    int size = 0;
    error = MPI_Get_count(&status, MPI_BYTE, &size);
    memcpy(&message->bits, &handle, sizeof handle);
    message->source = status.MPI_SOURCE;
    message->size = size;
    return error;
}

int weft_mpi_mrecv(weft_mpi_message *message, void *bytes) {
    MPI_Message handle;
    memcpy(&handle, &message->bits, sizeof handle);
    return MPI_Mrecv(bytes, (int)message->size, MPI_BYTE, &handle, MPI_STATUS_IGNORE);
}

int weft_mpi_ibarrier(weft_mpi_request *request) {
    MPI_Request handle;
    int error = MPI_Ibarrier(MPI_COMM_WORLD, &handle);
    memcpy(&request->bits, &handle, sizeof handle);
    return error;
}

int weft_mpi_finalize(void) { return MPI_Finalize(); }

_Noreturn void weft_mpi_abort(int code) {
    MPI_Abort(MPI_COMM_WORLD, code);
    _Exit(code);
}

void weft_mpi_error_text(int error, char *text) {
    int length = 0;
    if (MPI_Error_string(error, text, &length) != MPI_SUCCESS) strcpy(text, "unknown MPI error");
}
