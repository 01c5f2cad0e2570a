"""Learn to paint apples, and keep what came of it. Ten minutes; go on by starting it again."""

import pippin
from pippin.show import save_video

run = pippin.train("apples", image_size=64, minutes=10)
run.picture(16, seed=1).save("apples.png")
pippin.curate(run, 4)  # the best of 16, as arrays
save_video(run.walk([1, 2, 3], frames=24), "walk.webp")
print(run, run.export("onnx"))
