# The teacher of each task, and its soft labels, once for each text.


rule teacher:
    input:
        data=PATHS.task("{task}") / "task.json",
        weights=lambda w: PATHS.teacher_inputs(w.task),
        audit=ancient(PATHS.audit),
    output:
        PATHS.teacher("{task}") / "record.json",
    log:
        LOGS / "teacher/{task}.log",
    benchmark:
        BENCHMARKS / "teacher/{task}.tsv"
    priority: lambda w: JOBS.priority("teacher", w.task)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.teacher_spec(w.task),
    message:
        "fine-tune the teacher of {wildcards.task}"
    # `exec`: a signal that ends the job reaches the program, which then saves its state.
    shell:
        "exec pdbench teacher {params.study:q} {wildcards.task} --threads {threads} > {log} 2>&1"


rule soft_labels:
    input:
        teacher=PATHS.teacher("{task}") / "record.json",
        text=PATHS.text("{text}") / "text.json",
    output:
        PATHS.soft_labels("{task}", "{text}") / "soft_labels.json",
    log:
        LOGS / "soft_labels/{task}.{text}.log",
    benchmark:
        BENCHMARKS / "soft_labels/{task}.{text}.tsv"
    priority: lambda w: JOBS.priority("soft_labels", f"{w.task}.{w.text}")
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.soft_labels_spec(w.task, w.text),
    message:
        "label {wildcards.text} with the teacher of {wildcards.task}"
    shell:
        "pdbench soft-labels {params.study:q} {wildcards.task} {wildcards.text}"
        " --threads {threads} > {log} 2>&1"
