/* axis.h - from values to places on paper. */
#ifndef STELE_PLOT_AXIS_H
#define STELE_PLOT_AXIS_H

typedef struct stele__plot_axis {
    double low, high; /* values at the ends (of their logarithms where `log` is set) */
    double from, to;  /* places of the ends */
    double step;      /* between two ticks */
    int log;
} stele__plot_axis;

/* Ends that are a little beyond low .. high, and ticks at round numbers: about `ticks` of them. */
stele__plot_axis stele__plot_axis_make(double low, double high, double from, double to, int ticks,
                                       int log);
/* Ticks at whole numbers alone, for what has no values between them; logarithmic axes stay as they
 * are. */
void stele__plot_axis_whole(stele__plot_axis *axis);
double stele__plot_place(const stele__plot_axis *axis, double value);
/* Value of tick i, counted from 0; 0: there are no more. */
int stele__plot_tick(const stele__plot_axis *axis, int i, double *ret_value);

#endif
