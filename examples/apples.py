"""Train on the built-in apples for ten minutes, and save what the run can do. Run it again to resume."""

import pippin
from pippin.show import save_video

run = pippin.train("apples", image_size=64, minutes=10)
run.picture(16, seed=1).save("apples.png")
pippin.curate(run, 4)  # the best of 16 generated images, as arrays
save_video(run.walk([1, 2, 3], frames=24), "walk.webp")
print(run, run.export("onnx"))
