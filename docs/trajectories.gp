# The trajectories of hyperparameters that are learned while training goes on, from the series of a run: eta, mu and rho
# against steps; accuracy against steps; accuracy on validation data against time, of every method.
#
#   ./hyla run phone_classification data=speech_digits --out RUN
#   gnuplot -c docs/trajectories.gp RUN/series.csv docs/phone_classification.png
#
# The output's ending chooses png or svg.
file = ARG1
picture = ARG2
if (picture[strlen(picture)-2:] eq "svg") {
  set terminal svg size 1000,720 font "sans,13" background "white"
} else {
  set terminal pngcairo size 1000,720 font "sans,11"
}
set output picture
set datafile separator ","
set key below maxrows 2 samplen 2
set grid lc rgb "#dddddd"
of(name, x) = strcol("series") eq name ? x : NaN
first = "#d0603c"
second = "#3c78b0"
set multiplot layout 2,2
set xlabel "thousands of steps" offset 0,0.5
set title "learning rate and momentum"
set ylabel "eta"
set y2label "mu"
set ytics nomirror
set y2tics
set yrange [0:*]
set y2range [0:*]
plot file using (of("RTHO", column("step") / 1000)):(column("eta")) with lines lw 2 lc rgb first title "eta, RTHO", \
  "" using (of("RTHO-NT", column("step") / 1000)):(column("eta")) with lines lw 2 lc rgb second title "eta, RTHO-NT", \
  "" using (of("RTHO", column("step") / 1000)):(column("mu")) axes x1y2 with lines dt 2 lc rgb first title "mu, RTHO", \
  "" using (of("RTHO-NT", column("step") / 1000)):(column("mu")) axes x1y2 with lines dt 2 lc rgb second title "mu, RTHO-NT"
unset y2label
unset y2tics
set ytics mirror
set title "weight of the secondary task"
set ylabel "rho"
plot file using (of("RTHO", column("step") / 1000)):(column("rho")) with lines lw 2 lc rgb first title "RTHO", \
  "" using (of("RTHO-NT", column("step") / 1000)):(column("rho")) with lines lw 2 lc rgb second title "RTHO-NT"
set title "accuracy while training"
set ylabel "frame accuracy"
set yrange [0.4:1]
plot file using (of("RTHO", column("step") / 1000)):(column("valid_accuracy")) with lines lw 2 lc rgb first title "RTHO, validation", \
  "" using (of("RTHO", column("step") / 1000)):(column("train_accuracy")) with lines dt 2 lc rgb first title "training", \
  "" using (of("RTHO-NT", column("step") / 1000)):(column("valid_accuracy")) with lines lw 2 lc rgb second title "RTHO-NT, validation", \
  "" using (of("RTHO-NT", column("step") / 1000)):(column("train_accuracy")) with lines dt 2 lc rgb second title "training"
set title "accuracy on validation data in time (of RS: of its best trial)"
set xlabel "minutes" offset 0,0.5
plot file using (of("Vanilla in time", column("minutes"))):(column("valid_accuracy")) with lines lw 2 lc rgb "#606060" title "Vanilla", \
  "" using (of("RS in time", column("minutes"))):(column("valid_accuracy")) with steps lw 2 lc rgb "#60a060" title "RS", \
  "" using (of("RTHO in time", column("minutes"))):(column("valid_accuracy")) with lines lw 2 lc rgb first title "RTHO", \
  "" using (of("RTHO-NT in time", column("minutes"))):(column("valid_accuracy")) with lines lw 2 lc rgb second title "RTHO-NT"
unset multiplot
