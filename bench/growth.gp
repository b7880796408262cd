# Growth of time and memory from the rows of `./hyla bench growth`: four panels.
#
#   gnuplot -c bench/growth.gp ROWS.csv docs/performance_growth.png
file = ARG1
picture = ARG2
set terminal pngcairo size 1000,760 font "sans,12"
set output picture
set datafile separator ","
set key top left samplen 2
set grid lc rgb "#dddddd"
set tics nomirror
of(name, x) = strcol("part") eq name ? x : NaN
for_problem(name, x) = strcol("problem") eq name ? of("threads", x) : NaN
set multiplot layout 2,2 margins 0.09,0.97,0.08,0.94 spacing 0.11,0.13

set title "time of a step against the number of steps"
set xlabel "steps T"
set ylabel "microseconds a step"
set logscale x
set yrange [0:*]
plot file using (of("steps", column("x"))):(column("step_seconds") * 1e6) with linespoints pt 7 lw 2 lc rgb "#3060a0" title "small, Reverse-HG"

set title "memory against the number of steps"
set ylabel "MiB"
set logscale xy
set yrange [*:*]
plot file using (of("steps", column("x"))):(column("stated_bytes") / 2**20) with lines lw 5 lc rgb "#f0b090" title "stated before the run", \
  "" using (of("steps", column("x"))):(column("held_bytes") / 2**20) with linespoints pt 7 lc rgb "#202020" title "held"

set title "time of a step against the number of weights"
set xlabel "weights d"
set ylabel "microseconds a step"
plot file using (of("size", column("x"))):(column("step_seconds") * 1e6) with linespoints pt 7 lw 2 lc rgb "#3060a0" title "small, 500 examples"

set title "forward step against the number of tangents"
set xlabel "tangents m"
set ylabel "plain steps"
unset logscale
set xrange [0:3.5]
set xtics 1
set yrange [0:*]
plot file using (of("tangents", column("x"))):(column("step_seconds") / column("plain_seconds")) with linespoints pt 7 lw 2 lc rgb "#3060a0" title "realtime", \
  1 + 2.2 * x dt 2 lc rgb "#909090" title "2.2 plain steps a tangent"
unset multiplot
