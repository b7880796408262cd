# Figure 1 of the paper from the series of a run: discarded examples (left axis) and accuracies (right axis) against
# hyper-iterations.
#
#   ./hyla run hyper_cleaning data=mnist budget=1000 --out RUN
#   gnuplot -c docs/figure1.gp RUN/series.csv DH-1000 docs/hyper_cleaning.png
#
# The output's ending chooses png or svg.
file = ARG1
which = ARG2
picture = ARG3
if (picture[strlen(picture)-2:] eq "svg") {
  set terminal svg size 900,480 font "sans,15" background "white"
} else {
  set terminal pngcairo size 900,480 font "sans,12"
}
set output picture
set datafile separator ","
set key outside below horizontal samplen 2
set xlabel "hyper-iterations"
set ylabel "discarded examples"
set y2label "accuracy"
set ytics nomirror
set y2tics 0.02
set format y2 "%.2f"
set yrange [0:*]
set y2range [*:*]
set grid ytics lc rgb "#dddddd"
set style fill solid 0.85 noborder
row(x) = strcol("series") eq which ? x : NaN
plot file using (row(column("iteration"))):(column("discarded")) with filledcurves x1 lc rgb "#e08060" title "discarded, rightly labelled", \
  "" using (row(column("iteration"))):(column("true_positives")) with filledcurves x1 lc rgb "#7fa8d0" title "discarded, wrongly labelled", \
  "" using (row(column("iteration"))):(column("valid_accuracy")) axes x1y2 with lines lw 2 lc rgb "#202020" title "validation accuracy", \
  "" using (row(column("iteration"))):(column("test_accuracy")) axes x1y2 with lines lw 2 dt 2 lc rgb "#207020" title "test accuracy"
