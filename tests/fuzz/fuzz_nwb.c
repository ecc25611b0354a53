/* Recordings in HDF5 files, once in bins and once by trials with series. */
#include "fuzz_source.h"

#include "../../plugins/source/nwb/nwb.h"
#include "fuzz_h5.h"

static void finish(hid_t file, fuzz_bytes *b)
{
    fuzz_h5_text(file, "/", "neurodata_type", fuzz_next(b, 32) == 31 ? "Image" : "NWBFile");
    fuzz_h5_numbers(file, "/processing/behavior/speed/starting_time", "rate", 1, b);
    fuzz_h5_numbers(file, "/processing/behavior/position/data", "conversion", 1 + fuzz_next(b, 2),
                    b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const series[] = { "processing/behavior/position",
                                          "processing/behavior/speed" };
    static const char *const object[] = {
        "/units/spike_times_index",
        "/units/spike_times",
        "/units/id",
        "/intervals/trials/id",
        "/intervals/trials/start_time",
        "/intervals/trials/stimulus",
        "/intervals/trials/tags",
        "/intervals/trials/tags_index",
        "/processing/behavior/position/data",
        "/processing/behavior/position/timestamps",
        "/processing/behavior/speed/data",
        "/processing/behavior/speed/starting_time",
    };
    char path[64];
    int fd = fuzz_named_file(data, size, path);
    fuzz_bytes b = { data, size };
    nwb_config bins = { .path = path, .align = "start_time", .bin = 0.5, .stop = 20.0 };
    nwb_config trials = { .path = path,
                          .align = "start_time",
                          .trials = "trials",
                          .bin = 0.5,
                          .after = 1.0,
                          .series = { series, 2 } };
    if (!fuzz_is_h5(data, size)) {
        fuzz_h5_file(path, object, sizeof object / sizeof object[0], &b, finish);
    }
    fuzz_source(&bins);
    trials.series.n = fuzz_next(&b, 3);
    fuzz_source(&trials);
    close(fd);
    unlink(path);
    return 0;
}
