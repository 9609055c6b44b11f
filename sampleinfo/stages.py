"""The stages of all work, in words."""

#: Of a run, in their order.
STAGES = (
    "weights", "images", "features", "kernel", "ridge", "scores", "training", "segments", "along", "map", "writing",
)  # fmt: skip
STAGE_WORDS = {
    "download": "Downloading the data set",
    "images": "Reading the images",
    "weights": "Getting the weights of the network",
    "features": "Running the network",
    "kernel": "Comparing all pairs of images (kernel)",
    "ridge": "Choosing the training by leave-one-out error",
    "scores": "Leaving each image out",
    "training": "Training the real network once",
    "segments": "Comparing all pairs of images along the training",
    "along": "Following each image's absence along the training",
    "retraining": "Training the real network again and again",
    "influence": "Solving for influence functions",
    "curves": "Comparing the strategies",
    "map": "Laying out the map (UMAP)",
    "writing": "Writing the run",
    "sources": "Comparing the sources",
    "classes": "Asking what each class needs",
    "review": "Gathering the evidence",
    "export": "Writing the images",
}
